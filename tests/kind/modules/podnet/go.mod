module lab.invalid/podnet

go 1.25
