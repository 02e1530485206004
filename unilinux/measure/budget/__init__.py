"""Budgets: what images may cost, what they cost now, and what they cost before."""
