"""Full ranking: top items of every user, and metrics of them."""
