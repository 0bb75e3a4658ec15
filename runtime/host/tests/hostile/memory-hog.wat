;; begin store
(if (i64.gt_u (global.get $stores) (i64.const 25000))
  (then
    (loop $again
      (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
      (memory.fill (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1048576)) (i32.const 1) (i32.const 1048576))
      (br $again))))
;; end store
