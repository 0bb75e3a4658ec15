;; begin store
(if (i64.gt_u (global.get $stores) (i64.const 25000)) (then unreachable))
;; end store
;; begin adopt
unreachable
;; end adopt
