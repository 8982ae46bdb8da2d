"""What every Python suite under e2e/ shares: a running service, the people who talk to it, and what an answer must look like.

Nothing here knows the inside of the service; all of it is written against the public contract.
"""
