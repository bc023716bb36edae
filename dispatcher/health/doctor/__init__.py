"""What is wrong before a customer notices: all that commands need, looked at once; one module an area."""
