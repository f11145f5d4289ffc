"""The command line, one file a command.

A command module has a docstring whose first line is its help, ``add_arguments(parser)``, and
``run(arguments)``, which returns the exit code. It imports TensorFlow, if at all, inside ``run``.
"""
