"""Live cameras for measurements: footage, an RTSP server, the daemon in between, and somebody outside."""
