"""One module a command. Heavy packages are imported when a command runs, so that help is quick."""
