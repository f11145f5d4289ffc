"""Faults of record sets: conversion, splits, shards and their readers."""

from fault import Fault

FAULTS = [
    Fault(
        "validation and test change places",
        "records/splits/split_methods.py",
        "split_of[place < held_out] = TEST\n    split_of[place < np.minimum(validation, held_out)] = VALIDATION",
        "split_of[place < held_out] = VALIDATION\n    split_of[place < np.minimum(validation, held_out)] = TEST",
        "tests/records/test_splitting.py",
    ),
    Fault(
        "the last interaction is validated, the one before tested",
        "records/splits/split_methods.py",
        "split_of[(from_last < test) & (place >= least)] = TEST",
        "split_of[(from_last == test) & (place >= least)] = TEST",
        "tests/records/test_splitting.py",
    ),
    Fault(
        "nothing is left to train on",
        "records/splits/split_methods.py",
        "count + offset), count - least)",
        "count + offset), count)",
        "tests/records/test_splitting.py",
    ),
    Fault(
        "a rating at the threshold is dropped",
        "records/splits/filtering.py",
        "interactions.rating >= filtering.rating_threshold",
        "interactions.rating > filtering.rating_threshold",
        "tests/records/test_filtering.py",
    ),
    Fault(
        "of duplicates the latest stays",
        "records/splits/filtering.py",
        "is_first[1:] = pair[rows[1:]] != pair[rows[:-1]]",
        "is_first[:-1] = pair[rows[1:]] != pair[rows[:-1]]",
        "tests/records/test_filtering.py",
    ),
    Fault(
        "negatives are the same in every epoch",
        "records/negatives.py",
        "stateless_fold_in(tf.stack([self.seed, epoch]), batch)",
        "stateless_fold_in(tf.stack([self.seed, 0 * epoch]), batch)",
        "tests/records/test_negatives.py tests/records/test_reader.py",
    ),
    Fault(
        "items that a user has are drawn for negatives",
        "records/negatives.py",
        "needs_stand_in = seen.item < first_place",
        "needs_stand_in = seen.item < first_place - 1",
        "tests/records/test_negatives.py",
    ),
    Fault(
        "nothing is synced before the rename",
        "records/staging.py",
        'for path in [*staging.rglob("*"), staging]:\n            sync(path)',
        "for path in []:\n            sync(path)",
        "tests/records/test_staging.py tests/records/test_writer.py",
    ),
    Fault(
        "what an error leaves stays there",
        "records/staging.py",
        "    finally:\n        shutil.rmtree(staging, ignore_errors=True)",
        "    finally:\n        pass",
        "tests/records/test_writer.py tests/records/test_convert.py",
    ),
    Fault(
        "damaged records are taken for sound ones",
        "records/damage.py",
        'if problem is not None:\n                raise InvalidRecordSetError(f"{path.name}: record',
        'if problem is None and False:\n                raise InvalidRecordSetError(f"{path.name}: record',
        "tests/records/test_damage.py",
    ),
    Fault(
        "an absent modality is present with zeros",
        "records/examples.py",
        "presence = {name: values > 0 for name, (values, _) in counts.items()}",
        "presence = {name: values >= 0 for name, (values, _) in counts.items()}",
        "tests/records/test_item_reader.py tests/records/test_item_lookup.py",
    ),
    Fault(
        "an index of items is off by one record",
        "records/writer.py",
        "starts.append(position)\n            position += FRAME_BYTES + len(example)",
        "position += FRAME_BYTES + len(example)\n            starts.append(position)",
        "tests/records/test_item_index.py tests/records/test_writer.py",
    ),
    Fault(
        "times in another unit stay among the others",
        "records/raw_files/time_columns.py",
        "        fits[rows] = False\n",
        "",
        "tests/records/test_timestamps.py -k 'another_unit'",
    ),
]
