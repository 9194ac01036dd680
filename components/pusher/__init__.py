"""The Pusher component."""
