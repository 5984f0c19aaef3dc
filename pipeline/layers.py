"""Look into an image: what each layer holds, what it weighs, what is written twice."""

import dagger

from pipeline.builder import Builder, program_files


async def layer_table(builder: Builder, image: dagger.Container) -> str:
    """Return a table, one line per layer: raw and zstd size in MB (10^6 bytes), its largest folders."""
    raw = image.as_tarball(forced_compression=dagger.ImageLayerCompression.Uncompressed)
    packed = image.as_tarball(forced_compression=dagger.ImageLayerCompression.Zstd)
    return await (
        builder.base()
        .with_mounted_directory("/programs", program_files("layer_table.py"))
        .with_mounted_file("/in/raw.tar", raw)
        .with_mounted_file("/in/zstd.tar", packed)
        .with_exec(["python3", "/programs/layer_table.py", "/in/raw.tar", "/in/zstd.tar"])
        .stdout()
    )
