# Device code as plain data, for a program that loads it by itself (hipModuleLoadData).
  .section .rodata,"a",@progbits
  .p2align 12
  .globl embedded_bundle
embedded_bundle:
  .incbin "bundle.hipfb"
  .p2align 12
  .globl embedded_code_object
embedded_code_object:
  .incbin "code_object_gfx942.co"
  .p2align 12
  .incbin "code_object_gfx950.co"
  .globl keep
keep:
  .quad 0
