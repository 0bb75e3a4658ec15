;; begin store
(if (i64.gt_u (global.get $stores) (i64.const 25000))
  (then
    (loop $again
      (if (i32.eq (table.grow $functions (ref.null func) (i32.const 1024)) (i32.const -1)) (then unreachable))
      (br $again))))
;; end store
