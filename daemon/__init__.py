"""The service: capture, pipeline, events, alerts and MQTT."""
