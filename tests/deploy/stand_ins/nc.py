"""`nc -z HOST PORT`: whether somebody listens there."""

import socket
import sys

with socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=2):
    sys.exit(0)
