"""Explorer: a page in the browser over what ``export`` wrote. The command is ``tf-metammf explore``.

Importing this package does no work and does not import TensorFlow or the web server.
"""
