"""A real fleet on one machine: SIP servers, audio hosts, mail and S3, each in namespaces of its own."""
