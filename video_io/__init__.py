"""Reading and writing video files; nobody else imports decord or av."""
