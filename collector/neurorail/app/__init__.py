"""The program: configuration, command line, demonstration, and the service that joins the parts."""
