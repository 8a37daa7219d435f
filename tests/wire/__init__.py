"""The vantage against real segments: network namespaces that the tests make; they need root."""
