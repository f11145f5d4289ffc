"""What to do about times that cannot be read, for messages."""


def say_how(source: str, *examples: str) -> str:
    """How to have times read, for messages."""
    if source != "tabular":
        return "Write them as numbers or in ISO 8601"
    such_as = f", such as {' or '.join(map(repr, examples))}" if examples else ""
    return f"Say how times are written with --tabular.timestamp_format{such_as}"


def leave_out(source: str) -> str:
    """How to do without a column of times, for messages."""
    return f"or leave the column out with --{source}.timestamp_column ''"
