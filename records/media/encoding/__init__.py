"""What an encoder of media is: its contract, its inputs, and its description."""
