"""A model that is trained again on every night's data, judged against the one that is live, and published if it may."""
