"""What has no domain in it: errors, progress events, commands, files, the store."""
