module sre.runbooks/lab/pause

go 1.25
