"""What deploy/ has for a host and a cluster, looked at by the programs that it is for."""
