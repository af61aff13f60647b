"""The compiled core. One job a file; the ``.pxd`` beside each is its contents page, the ``.pyi`` its types."""
