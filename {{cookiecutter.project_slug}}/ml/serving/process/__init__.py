"""The processes that serve.

container.py       `ml container`: as the platform that runs the image says
probe.py           the image's health check
server.py          `ml serve`: binds the port, then runs one worker or several
supervisor.py      several workers behind one port: accepts connections and hands them over
worker.py          one process that answers: uvicorn with an orderly end
http_protocol.py   uvicorn's protocol with limits, an answer's head and body sent together
drain.py           how a listening socket ends without resetting a connection
"""
