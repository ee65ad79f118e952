"""Requests to servers: where they may go, what they may carry, and how long they are waited for."""
