"""The steps of a conversion on many machines, as transforms of Apache Beam.

Only :mod:`tf_metammf.records.beam.conversion` imports these modules, and only when it is asked to: they need
``apache_beam``, which is an extra. What flows between the steps are not single interactions but batches of columns,
so that Python's share of the work is small and the arithmetic is the one of the local conversion.
"""
