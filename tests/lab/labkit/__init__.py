"""The lab: real Kubernetes clusters with a demo shop, on one Linux machine."""
