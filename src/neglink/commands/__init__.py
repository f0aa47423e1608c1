"""Groups of commands that the command line puts together; see `neglink.cli`."""
