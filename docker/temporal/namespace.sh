#!/bin/sh
# Creates the namespace once. While the server is still starting this fails, and is started again.
set -eu
temporal operator cluster health
temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
  temporal operator namespace create --namespace default --retention 30d
