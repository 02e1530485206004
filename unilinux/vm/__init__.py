"""Virtual machines: started, watched, talked to and ended, with evidence of each run."""
