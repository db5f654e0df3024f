"""`selam-voice doctor`: checks everything a conversation needs, one file a topic, and says how to mend what fails."""
