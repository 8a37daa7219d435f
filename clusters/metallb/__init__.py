"""How MetalLB decides in layer 2 mode, as pure functions: no cluster, no wire, no clock.

Raw objects as the API server returns them go in, frozen dataclasses come out. Each module owns one noun:

- `versions`: which MetalLB runs, and what that version can do
- `ranges`: address ranges of both families
- `selectors`: Kubernetes label selectors
- `services`, `pools`, `usage`: what asks for an address, where addresses come from, who holds which and what is left
- `allocation`: whether a service gets an address, from which pool, and why not
- `advertisements`, `election`: who announces an address, and why the others do not
- `configuration`: what MetalLB would refuse to load
- `signatures`: log lines and events, and the cause that each one proves
- `install`: which objects of a cluster are MetalLB, and how they are set up

What is said of MetalLB was read in its sources at 0.15.2 and 0.16.2; docstrings name the file. Where the two
differ, the function takes the version.
"""
