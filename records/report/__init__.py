"""One page about the data: what a record set holds, what to watch in it, and what it suggests."""
