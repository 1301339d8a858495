"""Waits for the Docker engine at DOCKER_HOST, whose process is the argument, and puts busybox:test into it."""

import io
import os
import sys
import tarfile
import time

import docker

APPLETS = ["cat", "env", "false", "httpd", "kill", "ls", "sh", "sleep", "true", "wget"]


def engine(pid):
    deadline = time.monotonic() + 60
    while True:
        try:
            return docker.from_env()
        except docker.errors.DockerException as error:
            if not os.path.exists(f"/proc/{pid}"):
                sys.exit(f"the Docker engine has ended: {error}")
            if time.monotonic() > deadline:
                sys.exit(f"the Docker engine does not answer: {error}")
            time.sleep(0.05)


def image():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        page = b"hello\n"
        index = tarfile.TarInfo("www/index.html")
        index.size = len(page)
        tar.addfile(index, io.BytesIO(page))
    return file.getvalue()


client = engine(sys.argv[1])
client.api.import_image_from_data(image(), repository="busybox", tag="test")
