"""A real fleet on one machine: SIP servers, audio hosts, a mail host and an S3 host in namespaces of their own."""
