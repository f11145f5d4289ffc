"""Results as JSON on stdout, valid in every encoding."""

import json
import math
import sys
from typing import Any


def print_json(content: Any) -> None:
    """Prints JSON. A number that is not finite becomes null; characters that stdout cannot show become escapes."""
    finite = _finite(content)
    text = json.dumps(finite, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        text = json.dumps(finite, indent=2, allow_nan=False)
    print(text)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
