if(SHOAL_CUDA)
  set(SHOAL_CUDA_SOURCES
    cuda/any_rows.cu
    cuda/attention.cu
    cuda/attention_decode.cu
    cuda/attention_prefill.cu
    cuda/conv_silu.cu
    cuda/cuda_table.cpp
    cuda/delta_decode.cu
    cuda/delta_mix.cpp
    cuda/delta_net.cu
    cuda/delta_prefill.cu
    cuda/dense_rows.cu
    cuda/dense_floats.cu
    cuda/dense_slabs.cu
    cuda/dense_tiles.cu
    cuda/elementwise.cu
    cuda/embed_rows.cu
    cuda/exchange_rows.cu
    cuda/expert_floats.cu
    cuda/expert_mlp.cu
    cuda/expert_rows.cu
    cuda/expert_slabs.cu
    cuda/expert_tiles.cu
    cuda/fill_random.cu
    cuda/matmul.cu
    cuda/norm.cu
    cuda/norm_inputs.cu
    cuda/op_checks.cpp
    cuda/quantize_rows.cu
    cuda/router_topk.cu
    cuda/row_groups.cu
    cuda/split_blocks.cu
    cuda/token_rows.cu
  )
  target_link_libraries(shoal_kernels PUBLIC shoal_device)
  # -fmad=false: as everywhere, a multiplication and an addition are fused only where the source
  # says so. Divisions, roots and subnormals are exact by default (no -use_fast_math, ever).
  target_compile_options(shoal_kernels PRIVATE
    "$<$<COMPILE_LANGUAGE:CUDA>:-fmad=false;--expt-relaxed-constexpr;-Xcompiler=-Wall,-Wextra,-Werror,-Wno-missing-field-initializers,-ffp-contract=off>")
else()
  set(SHOAL_CUDA_SOURCES cuda/cuda_unavailable.cpp)
endif()
