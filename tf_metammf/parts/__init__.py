"""Parts of a model by name: what can be chosen, and the settings of each choice."""
