"""The commands: parse, one library call, render."""
