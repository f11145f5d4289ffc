"""What jsonargparse says of a wrong value, in one line that names the field, what was found and what was expected."""

import ast
import re

from tf_metammf.errors import unknown_name


def plain_message(text: str, *, prefix: str = "") -> str:
    """One line for a message of jsonargparse about a field.

    Args:
        text: The message.
        prefix: What stands before the name of a field: ``"--"`` on a command line.
    """
    text = " ".join(text.split())
    if not (found := re.match(r'Parser key "([\w.]+)":\s*(.*)', text)):
        return text
    name, reason = found[1], found[2]
    value = re.search(r"(?:Given|Got) value: (.*)$", reason)
    choices = re.findall(r"typing\.Literal\[(.*?)\]", reason)
    words = list(dict.fromkeys(word for choice in choices for word in _words(choice)))
    if value and words:
        return f"{prefix}{name}: {unknown_name('value', value[1], words)}"
    if value:
        expected = [kind.replace("NoneType", "null") for kind in re.findall(r"Expected a <class '(\w+)'>", reason)]
        return f"{prefix}{name}: found {value[1]}" + (f", expected {' or '.join(expected)}." if expected else ".")
    return f"{prefix}{name}: {reason}"


def _words(choice: str) -> list[str]:
    return [str(word) for word in ast.literal_eval(f"[{choice}]")]
