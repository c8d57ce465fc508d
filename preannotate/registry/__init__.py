"""The workspace: models, their versions, and which version is published."""
