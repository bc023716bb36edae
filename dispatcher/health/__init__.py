"""How the service is: what its parts say of themselves, and who is told."""
