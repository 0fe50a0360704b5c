# A plain bundle, a compressed one behind padding, and one that no wrapper owns.
  .section .hip_fatbin,"a",@progbits
  .p2align 12
first:
  .incbin "bundle.hipfb"
  .p2align 12
second:
  .incbin "bundle_ccob.hipfb"
.ifdef UNOWNED
  .p2align 12
  .incbin "bundle.hipfb"
.endif
  .section .hipFatBinSegment,"aw",@progbits
  .p2align 3
  .long 0x48495046, 1
  .quad first, 0
  .long 0x48495046, 1
  .quad second, 0
