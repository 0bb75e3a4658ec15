;; begin store
unreachable
;; end store
