"""Speed and memory, run by hand; each as a ratio to its limit."""
