"""From files of videos, sound, pictures and text to feature vectors."""
