"""What TensorRT's builder has to know of the plugins of ``zoo.tasks.synthesis.plugins``: types, and kernels.

Compiled ahead of time, a kernel becomes part of the engine, which then runs without Python. NVRTC compiles
CUDA C to PTX without a GPU; PyTorch with CUDA brings it along.

TensorRT reads annotations and takes no names in their place, so they are not postponed here.
"""

from functools import cache
from pathlib import Path

from zoo.errors import ArtifactError, MissingExtraError
from zoo.extras import missing
from zoo.tasks.synthesis.plugins import ADD_POSITIONS_ID, REPEAT_ID, register_plugins

SOURCE = Path(__file__).with_suffix(".cu")
ARCHITECTURE = "compute_75"  # the oldest that NVRTC 13 knows; PTX of it runs on all newer GPUs
THREADS = 64  # of a block that repeats
BLOCK = 256  # threads of a block that adds


@cache
def register_for_building(ahead: bool) -> None:
    """Make the plugins known to TensorRT's builder.

    Args:
        ahead: their kernels are compiled ahead of time.

    Raises:
        MissingExtraError: TensorRT has no such plugins, or what compiles kernels is not there.
    """
    register_plugins()
    import tensorrt.plugin as trtp

    @trtp.autotune(ADD_POSITIONS_ID)
    def types_of_sum(
        x: trtp.TensorDesc, code: trtp.TensorDesc, mask: trtp.TensorDesc, outputs: tuple[trtp.TensorDesc]
    ) -> list[trtp.AutoTuneCombination]:
        return [trtp.AutoTuneCombination("FP32|FP16, FP32|FP16, BOOL, FP32|FP16")]

    @trtp.autotune(REPEAT_ID)
    def types_of_frames(
        x: trtp.TensorDesc, counts: trtp.TensorDesc, outputs: tuple[trtp.TensorDesc]
    ) -> list[trtp.AutoTuneCombination]:
        return [trtp.AutoTuneCombination("FP32|FP16, FP32, FP32|FP16")]

    if ahead:
        _register_kernels()


def _register_kernels() -> None:
    import tensorrt as trt
    import tensorrt.plugin as trtp

    if not hasattr(trtp, "KernelLaunchParams"):
        raise MissingExtraError(
            f"TensorRT {trt.__version__} takes no plugins that are compiled ahead of time; install a later "
            f"one, or take those that run just in time: --plugins jit"
        )
    kernels = {trt.float32: compile_kernels(half=False), trt.float16: compile_kernels(half=True)}

    def numbers(*values: trtp.ShapeExpr) -> trtp.SymIntExprs:
        """The kernel's own numbers, between its inputs and its output."""
        return trtp.SymIntExprs.from_tuple([trtp.SymInt32(value) for value in values])

    @trtp.aot_impl(ADD_POSITIONS_ID)
    def add_positions(
        x: trtp.TensorDesc,
        code: trtp.TensorDesc,
        mask: trtp.TensorDesc,
        outputs: tuple[trtp.TensorDesc],
        tactic: int,
    ) -> tuple[str, bytes, trtp.KernelLaunchParams, trtp.SymIntExprs]:
        _, tokens, channels = x.shape_expr
        elements = x.shape_expr.numel()
        launch = trtp.KernelLaunchParams(grid_x=trtp.cdiv(elements, BLOCK), block_x=BLOCK)
        return "add_positions", kernels[x.dtype], launch, numbers(tokens, channels, elements)

    @trtp.aot_impl(REPEAT_ID)
    def repeat(
        x: trtp.TensorDesc,
        counts: trtp.TensorDesc,
        frames: int,
        outputs: tuple[trtp.TensorDesc],
        tactic: int,
    ) -> tuple[str, bytes, trtp.KernelLaunchParams, trtp.SymIntExprs]:
        rows, tokens, channels = x.shape_expr
        launch = trtp.KernelLaunchParams(grid_x=frames, grid_y=rows, block_x=THREADS)
        return "repeat", kernels[x.dtype], launch, numbers(tokens, channels)


@cache
def compile_kernels(*, half: bool) -> bytes:
    """PTX of the kernels.

    Args:
        half: for 16 bits in place of 32.

    Raises:
        MissingExtraError: NVRTC is not installed.
    """
    try:
        from cuda.bindings import nvrtc

        _, program = nvrtc.nvrtcCreateProgram(SOURCE.read_bytes(), SOURCE.name.encode(), 0, [], [])
    except (ImportError, RuntimeError) as error:  # of the bindings, or of the library behind them
        need = f"plugins that are compiled ahead of time need NVIDIA's NVRTC ({str(error).splitlines()[0]})"
        raise missing("plugins", need, "take those that run just in time: --plugins jit") from error
    options = [f"--gpu-architecture={ARCHITECTURE}".encode(), *([b"-DHALF"] if half else [])]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        log = bytes(nvrtc.nvrtcGetProgramLogSize(program)[1])
        nvrtc.nvrtcGetProgramLog(program, log)
        raise ArtifactError(f"{SOURCE}: NVRTC does not compile it ({status.name}): {log.decode().strip()}")
    ptx = bytes(nvrtc.nvrtcGetPTXSize(program)[1])
    nvrtc.nvrtcGetPTX(program, ptx)
    nvrtc.nvrtcDestroyProgram(program)
    return ptx.rstrip(b"\0")
