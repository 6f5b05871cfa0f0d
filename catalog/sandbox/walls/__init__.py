"""What a process gives up before it touches untrusted input: files, network, rights, memory, system calls."""
